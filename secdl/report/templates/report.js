"use strict";
(() => {
  const form = document.getElementById("filter");
  if (!form) return;
  const rows = Array.from(document.querySelectorAll("table.findings > tbody > tr"));
  const texts = rows.map(() => "");
  const output = form.querySelector("output");
  const fields = ["state", "level", "status", "tool"];
  let pending = 0;

  const text = (index) => texts[index] || (texts[index] = rows[index].textContent.toLowerCase());

  const apply = () => {
    const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = fields.map((name) => [name, form.elements[name].value]).filter(([, value]) => value);
    let shown = 0;
    rows.forEach((row, index) => {
      const fits = wanted.every(([name, value]) => row.dataset[name] === value)
        && words.every((word) => text(index).includes(word));
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    });
    output.textContent = `${shown} of ${rows.length} listed findings shown`;
    output.ariaBusy = null;
  };

  // Once typing pauses; until then the count is marked as out of date for assistive technology.
  const soon = () => {
    output.ariaBusy = "true";
    window.clearTimeout(pending);
    pending = window.setTimeout(apply, 80);
  };

  const reveal = () => {
    const row = location.hash.startsWith("#f-") && document.getElementById(location.hash.slice(1));
    if (!row) return;
    if (row.hidden) { form.reset(); apply(); row.scrollIntoView(); }
    const more = row.querySelector("details");
    if (more) more.open = true;
  };

  form.hidden = false;
  form.addEventListener("input", soon);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", soon);
  document.querySelectorAll("a[data-filter]").forEach((link) => link.addEventListener("click", () => {
    form.reset();
    form.elements.state.value = link.dataset.filter;
    apply();
  }));
  window.addEventListener("hashchange", reveal);
  apply();
  reveal();
})();
