// Keeps the parts of a page that are marked `data-live` fresh. Without script: reload the page.
"use strict";
const EVERY = 2000;

function openOnes(part) {
  return new Map([...part.querySelectorAll("details")].map((d, n) => [n + d.firstElementChild?.textContent, d.open]));
}

function takeOver(old, fresh) {
  const open = openOnes(old);
  [...fresh.querySelectorAll("details")].forEach((d, n) => {
    const was = open.get(n + d.firstElementChild?.textContent);
    if (was !== undefined) d.open = was;
  });
  old.replaceChildren(...fresh.childNodes);
}

function reading(part) {
  const selection = document.getSelection();
  return selection && !selection.isCollapsed && part.contains(selection.anchorNode);
}

const shown = new Map();

async function refresh() {
  if (document.hidden) return;
  const answer = await fetch(location.href, { credentials: "same-origin" });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const fresh of page.querySelectorAll("[data-live]")) {
    const old = document.getElementById(fresh.id);
    const now = fresh.innerHTML;
    if (!old || reading(old) || shown.get(fresh.id) === now) continue;
    shown.set(fresh.id, now);
    takeOver(old, fresh);
  }
}

async function loop() {
  try {
    await refresh();
  } catch {
    // The demo has ended, or will answer the next time.
  }
  setTimeout(loop, EVERY);
}

document.querySelectorAll("select#who").forEach((s) => {
  s.addEventListener("change", () => s.form.submit());
  s.form.querySelector("button").hidden = true;
});
if (document.querySelector("[data-live]")) setTimeout(loop, EVERY);
