// <fieldset data-name-list="ID"> with checkboxes data-name="TABLE" and "TABLE.COLUMN": ticked is what the text ID does not name.
// The text is what is saved; "*.COLUMN" in it means every table. Only what the ticked sources of the form have sent is shown.
(() => {
  const textOf = (picker) => document.getElementById(picker.dataset.nameList);
  const namesIn = (text) => text.value.split(/[\s,]+/).filter(Boolean);

  const show = (picker) => {
    const names = new Set(namesIn(textOf(picker)));
    const boxes = picker.closest("form").querySelectorAll('[name="sources"]');
    const sources = new Set([...boxes].filter((box) => box.checked).map((box) => box.value));
    for (const part of picker.querySelectorAll("[data-sources]")) {
      const ids = part.dataset.sources.split(" ").filter(Boolean);
      part.hidden = ids.length > 0 && !ids.some((id) => sources.has(id));
    }
    for (const box of picker.querySelectorAll("[data-name]")) {
      const [table, column] = box.dataset.name.split(".");
      const isElsewhere = column !== undefined && (names.has(table) || (table !== "*" && names.has(`*.${column}`)));
      box.disabled = isElsewhere;
      box.checked = !isElsewhere && !names.has(box.dataset.name);
    }
    for (const item of picker.querySelectorAll("li")) {
      const columns = [...item.querySelectorAll("label[data-sources]:not([hidden]) > input")];
      const loaded = columns.filter((box) => box.checked).length;
      const count = item.querySelector("[data-count]");
      if (!count) continue;
      const word = columns.length === 1 ? "column" : "columns";
      count.textContent = loaded === columns.length ? `${loaded} ${word}` : `${loaded} of ${columns.length} ${word}`;
      count.closest("details").hidden = columns.length === 0;
      if (!item.querySelector(":scope > label")) item.hidden = columns.length === 0;
    }
    picker.querySelector("[data-nothing]").hidden = picker.querySelector("li:not([hidden])") !== null;
  };

  const showAll = (root) => root.querySelectorAll("[data-name-list]").forEach(show);
  document.addEventListener("DOMContentLoaded", () => showAll(document));
  document.addEventListener("htmx:load", (event) => showAll(event.detail.elt));
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form");
    if (form && (event.target.name === "sources" || event.target.tagName === "TEXTAREA")) showAll(form);
  });
  document.addEventListener("change", (event) => {
    const name = event.target.dataset?.name;
    const picker = name && event.target.closest("[data-name-list]");
    if (!picker) return;
    const text = textOf(picker);
    const names = namesIn(text).filter((other) => other !== name);
    if (!event.target.checked) names.push(name);
    text.value = names.join(text.value.trim().includes("\n") ? "\n" : ", ");
    text.dispatchEvent(new Event("input", { bubbles: true }));
  });
})();
