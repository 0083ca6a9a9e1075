// Everything here makes the pages nicer; all of them work without it.
"use strict";

// --- the page keeps itself up to date -------------------------------------------------------------

const UPDATE_EVERY = 3000;
const SHARE_OF_TIME = 0.05; // a small device with a large store must not work for its page alone
const live = () => document.querySelectorAll("[data-live]");

/** Makes `now` say what `next` says, and leaves alone what is the same, so that focus and images stay. */
function update(now, next) {
  if (now.tagName !== "OL" || !now.id) {
    if (now.innerHTML !== next.innerHTML && !now.contains(document.activeElement)) now.innerHTML = next.innerHTML;
    return;
  }
  const known = new Map([...now.children].map((row) => [row.id, row]));
  const rows = [...next.children].map((row) => {
    const old = known.get(row.id);
    return old && old.innerHTML === row.innerHTML ? old : row;
  });
  // Whatever stays is not moved: an element that is taken out and put back loses the focus.
  for (const row of [...now.children]) if (!rows.includes(row)) row.remove();
  rows.forEach((row, place) => {
    if (now.children[place] !== row) now.insertBefore(row, now.children[place] ?? null);
  });
}

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const now of live()) {
      const next = page.getElementById(now.id);
      if (next) update(now, next);
    }
    document.title = page.title;
    document.body.classList.remove("stale");
  } catch {
    document.body.classList.add("stale"); // the device is not reachable just now; the next turn tries again
  }
}

async function keepUpToDate() {
  const begun = performance.now();
  await refresh();
  setTimeout(keepUpToDate, Math.max(UPDATE_EVERY, (performance.now() - begun) / SHARE_OF_TIME));
}

if (live().length) setTimeout(keepUpToDate, UPDATE_EVERY);

// --- the filter ------------------------------------------------------------------------------------

const filter = document.querySelector("form.filter");
filter?.addEventListener("change", (event) => {
  if (event.target.tagName === "SELECT") filter.requestSubmit();
});
filter?.addEventListener("submit", () => {
  for (const field of filter.elements) field.disabled = field.name && !field.value;
});

// --- what is drawn on the picture ------------------------------------------------------------------

const toggles = document.getElementById("toggles");

function draw() {
  const least = Number(document.getElementById("confidence").value);
  toggles.querySelector("output").textContent = least;
  const hidden = new Set();
  for (const box of toggles.querySelectorAll("[data-class]")) if (!box.checked) hidden.add(box.dataset.class);
  for (const shape of document.querySelectorAll("#overlay .shape"))
    shape.classList.toggle("off", hidden.has(shape.dataset.class) || Number(shape.dataset.confidence) < least);
  const output = document.getElementById("output");
  if (output) {
    const shown = document.getElementById("show-output").checked;
    output.hidden = !shown;
    document.getElementById("original").hidden = shown;
    document.getElementById("overlay").classList.toggle("off", shown);
  }
}

toggles?.addEventListener("input", draw);
toggles?.addEventListener("submit", (event) => event.preventDefault());
if (toggles) draw();

// --- the keyboard: j and k go through the list, the keys of data-key press what they name ------------

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT|TEXTAREA/.test(event.target.tagName)) return;
  const rows = [...document.querySelectorAll("#events a.event")];
  const place = rows.indexOf(document.activeElement);
  if (rows.length && event.key === "j") rows[Math.min(place + 1, rows.length - 1)].focus();
  else if (rows.length && event.key === "k") rows[Math.max(place - 1, 0)].focus();
  else document.querySelector(`[data-key="${CSS.escape(event.key)}"]`)?.click();
});
