// The map of the library: points and pictures on a canvas. Drag to move, + and - to come nearer, a click or Enter opens.
const DOT = 5, PICTURE = 46, REACH = 14, MARGIN = 34, STEP = 1.5, FARTHEST = 1, NEAREST = 60;

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".map");
  const canvas = root.querySelector("canvas");
  const told = root.querySelector("output");
  const pen = canvas.getContext("2d");
  const { places, colours, words } = data;
  const view = (canvas.view ??= { scale: 1, x: 0, y: 0 }); // kept when the page is shown anew
  const listening = new AbortController();
  const on = (target, name, act, options = {}) => target.addEventListener(name, act, { ...options, signal: listening.signal });
  const pictures = new Map();
  let chosen = -1, drag = null;

  canvas.setAttribute("aria-label", words.map);
  for (const name of ["nearer", "farther", "all"]) {
    const button = root.querySelector(`[data-do="${name}"]`);
    button.title = words[name];
    button.setAttribute("aria-label", words[name]);
  }

  function onScreen({ x, y }) {
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    return [
      width / 2 + (x - view.x) * view.scale * (width / 2 - MARGIN),
      height / 2 - (y - view.y) * view.scale * (height / 2 - MARGIN),
    ];
  }

  function draw() {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const taken = [];
    places.forEach((place, number) => {
      const [x, y] = onScreen(place);
      place.picture = null;
      if (x < -PICTURE || y < -PICTURE || x > width + PICTURE || y > height + PICTURE) return;
      pen.fillStyle = colours[place.kind];
      pen.globalAlpha = 0.75;
      pen.beginPath();
      pen.arc(x, y, DOT, 0, 2 * Math.PI);
      pen.fill();
    });
    pen.globalAlpha = 1;
    for (const [number, image] of pictures) {
      const [x, y] = onScreen(places[number]);
      if (taken.some(([left, top]) => Math.abs(left - x) < PICTURE + 6 && Math.abs(top - y) < PICTURE + 6)) continue;
      taken.push([x, y]);
      places[number].picture = [x, y];
      frame(x, y, colours[places[number].kind]);
      pen.save();
      pen.clip();
      pen.drawImage(image, x - PICTURE / 2, y - PICTURE / 2, PICTURE, PICTURE);
      pen.restore();
      pen.stroke();
    }
    if (chosen >= 0) ring(places[chosen]);
  }

  function frame(x, y, colour) {
    pen.strokeStyle = colour;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.roundRect(x - PICTURE / 2, y - PICTURE / 2, PICTURE, PICTURE, 10);
  }

  function ring(place) {
    const [x, y] = onScreen(place);
    const size = place.picture ? PICTURE / 2 + 4 : DOT + 5;
    pen.strokeStyle = getComputedStyle(canvas).color;
    pen.lineWidth = 2.5;
    pen.beginPath();
    pen.roundRect(x - size, y - size, 2 * size, 2 * size, place.picture ? 12 : size);
    pen.stroke();
  }

  function under(x, y) {
    let best = -1, least = Infinity;
    places.forEach((place, number) => {
      const [left, top] = onScreen(place);
      const inPicture = place.picture && Math.max(Math.abs(left - x), Math.abs(top - y)) <= PICTURE / 2;
      const distance = Math.hypot(left - x, top - y);
      if ((inPicture || distance <= REACH) && (inPicture ? distance / 4 : distance) < least) {
        [best, least] = [number, inPicture ? distance / 4 : distance];
      }
    });
    return best;
  }

  function choose(number) {
    chosen = number;
    told.textContent = number < 0 ? words.hint : `${words.kinds[places[number].kind]}: ${places[number].name}`;
    canvas.style.cursor = number < 0 ? "grab" : "pointer";
    draw();
  }

  function open() {
    if (chosen >= 0) setTriggerValue("opened", places[chosen].id);
  }

  function zoom(factor, [x, y] = [canvas.clientWidth / 2, canvas.clientHeight / 2]) {
    const before = view.scale;
    view.scale = Math.min(NEAREST, Math.max(FARTHEST, before * factor));
    const shift = 1 / before - 1 / view.scale; // what lies under the pointer stays there
    view.x += ((x - canvas.clientWidth / 2) / (canvas.clientWidth / 2 - MARGIN)) * shift;
    view.y -= ((y - canvas.clientHeight / 2) / (canvas.clientHeight / 2 - MARGIN)) * shift;
    draw();
  }

  function showAll() {
    Object.assign(view, { scale: 1, x: 0, y: 0 });
    draw();
  }

  function move([right, down]) {
    const start = chosen < 0 ? { x: view.x, y: view.y } : places[chosen];
    const [x, y] = onScreen(start);
    let best = -1, least = Infinity;
    places.forEach((place, number) => {
      if (number === chosen) return;
      const [left, top] = onScreen(place);
      const along = (left - x) * right + (top - y) * down;
      const aside = Math.abs((left - x) * down) + Math.abs((top - y) * right);
      if (chosen >= 0 && (along <= 0 || aside > 2 * along)) return;
      const cost = Math.abs(along) + 2 * aside;
      if (cost < least) [best, least] = [number, cost];
    });
    if (best < 0) return;
    const [left, top] = onScreen(places[best]);
    if (left < 0 || top < 0 || left > canvas.clientWidth || top > canvas.clientHeight) {
      Object.assign(view, { x: places[best].x, y: places[best].y });
    }
    choose(best);
  }

  const keys = {
    ArrowRight: () => move([1, 0]), ArrowLeft: () => move([-1, 0]), ArrowUp: () => move([0, -1]), ArrowDown: () => move([0, 1]),
    "+": () => zoom(STEP), "=": () => zoom(STEP), "-": () => zoom(1 / STEP), 0: showAll, Enter: open, " ": open,
  };
  on(canvas, "keydown", (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    keys[event.key]();
  });
  on(canvas, "pointerdown", (event) => {
    drag = { x: event.offsetX, y: event.offsetY, far: 0 };
    canvas.setPointerCapture(event.pointerId);
  });
  on(canvas, "pointermove", (event) => {
    if (!drag) {
      const number = under(event.offsetX, event.offsetY);
      if (number !== chosen) choose(number);
      return;
    }
    const [right, down] = [event.offsetX - drag.x, event.offsetY - drag.y];
    drag = { x: event.offsetX, y: event.offsetY, far: drag.far + Math.hypot(right, down) };
    if (drag.far < 4) return;
    view.x -= right / view.scale / (canvas.clientWidth / 2 - MARGIN);
    view.y += down / view.scale / (canvas.clientHeight / 2 - MARGIN);
    draw();
  });
  on(canvas, "pointerup", (event) => {
    const wasClick = drag && drag.far < 4;
    drag = null;
    if (!wasClick) return;
    choose(under(event.offsetX, event.offsetY));
    open();
  });
  on(canvas, "pointercancel", () => (drag = null));
  on(canvas, "dblclick", (event) => zoom(STEP * STEP, [event.offsetX, event.offsetY]));
  on(canvas, "wheel", (event) => {
    // A page that is scrolled past the map is not to be held up by it.
    if (!event.ctrlKey && canvas.getRootNode().activeElement !== canvas) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 300), [event.offsetX, event.offsetY]);
  }, { passive: false });
  on(root.querySelector('[data-do="nearer"]'), "click", () => zoom(STEP));
  on(root.querySelector('[data-do="farther"]'), "click", () => zoom(1 / STEP));
  on(root.querySelector('[data-do="all"]'), "click", showAll);

  for (const [number, source] of Object.entries(data.pictures)) {
    const image = new Image();
    image.onload = () => {
      pictures.set(Number(number), image);
      draw();
    };
    image.src = source;
  }
  const size = new ResizeObserver(draw);
  size.observe(canvas);
  choose(-1);
  return () => {
    listening.abort();
    size.disconnect();
  };
}
