// <button data-reveal="ID">: shows what is typed into the password field ID, and hides it again.
// This and whatever else is of no use without scripts (data-scripted) comes hidden, and is shown here.
(() => {
  const ready = (root) => {
    for (const button of root.querySelectorAll("[data-reveal], [data-scripted]")) button.hidden = false;
  };
  document.addEventListener("DOMContentLoaded", () => ready(document));
  document.addEventListener("htmx:load", (event) => ready(event.detail.elt));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-reveal]");
    const input = button && document.getElementById(button.dataset.reveal);
    if (!input) return;
    const shown = input.type === "text";
    input.type = shown ? "password" : "text";
    button.textContent = shown ? "Show" : "Hide";
    button.setAttribute("aria-pressed", String(!shown));
  });
})();
