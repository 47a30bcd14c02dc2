// <button data-copy="TEXT"> or <button data-copy-from="ID">: puts it on the clipboard and says so for a moment.
(() => {
  const SAID_MS = 1600;
  const byHand = (text) => { // pages over plain HTTP have no navigator.clipboard
    const area = Object.assign(document.createElement("textarea"), { value: text, className: "visually-hidden" });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy], [data-copy-from]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copyFrom);
    const text = button.dataset.copy ?? (source.value ?? source.textContent).trim();
    try { await navigator.clipboard.writeText(text); } catch { byHand(text); }
    const label = button.querySelector("span") ?? button;
    const before = button.dataset.label ??= label.textContent;
    label.textContent = "Copied";
    button.classList.add("copied");
    document.getElementById("announcements")?.replaceChildren("Copied");
    setTimeout(() => { label.textContent = before; button.classList.remove("copied"); }, SAID_MS);
  });
})();
