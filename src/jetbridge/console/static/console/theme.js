// The theme that was chosen here before, set before anything is painted; without a choice the system's.
(() => {
  const KEY = "jetbridge-theme";
  const root = document.documentElement;
  const show = (choice) => {
    if (choice) root.dataset.theme = choice; else delete root.dataset.theme;
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice));
    }
  };
  const stored = () => { try { return localStorage.getItem(KEY) || ""; } catch { return ""; } };
  show(stored());
  document.addEventListener("DOMContentLoaded", () => {
    for (const group of document.querySelectorAll("[data-themes]")) group.hidden = false;
    show(stored());
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-choice]");
    if (!button) return;
    try { localStorage.setItem(KEY, button.dataset.themeChoice); } catch { /* then for this page only */ }
    show(button.dataset.themeChoice);
  });
})();
