"""The page on which a person says who they are, before any other: plain HTML, without a script."""

import html

from studio.ui.words import N_, in_language

TEXTS = {
    "title": N_("Sign in"),
    "name": N_("Your name"),
    "password": N_("Password"),
    "wrong": N_("That is not right. Try again."),
    "slow": N_("Too many tries. Wait a minute, then try again."),
}
STYLE = """
:root { color-scheme: light dark; --ink: #1d1b2e; --paper: #fff; --line: #8b86a8; --main: #5241d4; --on-main: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eceaf6; --paper: #14131c; --line: #7b7797; --main: #9a8fff; --on-main: #14131c; }
}
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
main { width: min(20rem, 90vw); }
h1 { font-size: 1.5rem; margin: 0 0 1.5rem; }
label { display: block; margin: 0 0 1rem; }
input, button { box-sizing: border-box; width: 100%; margin-top: .25rem; padding: .65rem .9rem; border-radius: .9rem;
  border: 1px solid var(--line); background: transparent; color: inherit; font: inherit; }
button { border: 0; border-radius: 2rem; background: var(--main); color: var(--on-main); font-weight: 650; cursor: pointer; }
:focus-visible { outline: 3px solid var(--main); outline-offset: 2px; }
[role=alert] { margin: 0 0 1rem; }
"""


def login_page(*, language: str, asks_name: bool, action: str, back: str, error: str | None = None) -> str:
    """Return the page in the first language that a browser names (Accept-Language); `error` is "wrong" or "slow"."""
    said = language.split(",")[0].partition(";")[0].strip() or "en"
    texts = {name: html.escape(in_language(text, said)) for name, text in TEXTS.items()}
    name = (
        f'<label>{texts["name"]}<input name="name" autocomplete="username" required autofocus></label>'
        if asks_name
        else ""
    )
    focus = "" if asks_name else " autofocus"
    alert = f'<p role="alert">{texts[error]}</p>' if error else ""
    return f"""<!doctype html>
<html lang="{html.escape(said)}"><head><meta charset="utf-8"><title>{texts["title"]} · Multimodal Studio</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>
<body><main><h1>Multimodal Studio</h1>{alert}<form method="post" action="{html.escape(action)}">
<input type="hidden" name="next" value="{html.escape(back)}">{name}
<label>{texts["password"]}<input name="password" type="password" autocomplete="current-password" required{focus}></label>
<button>{texts["title"]}</button></form></main></body></html>
"""
