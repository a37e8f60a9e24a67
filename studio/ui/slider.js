// Two pictures, or films, upon each other: the range between them says how much of each is seen.
export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".slider");
  const range = root.querySelector("input");
  const names = root.querySelectorAll("figcaption span");
  for (const [place, side] of [[".under", data.right], [".over", data.left]]) {
    const shown = document.createElement(side.kind === "video" ? "video" : "img");
    shown.src = side.source;
    if (side.kind === "video") Object.assign(shown, { muted: true, autoplay: true, loop: true, playsInline: true });
    else shown.alt = side.name;
    root.querySelector(place).replaceChildren(shown);
  }
  [names[0].textContent, names[1].textContent] = [data.left.name, data.right.name];
  range.setAttribute("aria-label", data.label);
  range.oninput = () => root.style.setProperty("--at", `${range.value}%`);
  range.oninput();
}
