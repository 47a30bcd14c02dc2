// A form that was sent is not sent again by a second click while its answer is on the way; its button says so.
// After AGAIN_MS it can be: the answer may have been stopped.
(() => {
  const AGAIN_MS = 10_000;
  const sent = new WeakMap();
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return; // htmx sends its own
    if (Date.now() - (sent.get(form) ?? -AGAIN_MS) < AGAIN_MS) { event.preventDefault(); return; }
    sent.set(form, Date.now());
    event.submitter?.setAttribute("aria-busy", "true");
    setTimeout(() => event.submitter?.removeAttribute("aria-busy"), AGAIN_MS);
  });
  window.addEventListener("pageshow", (event) => { // back to a page as it was left
    if (!event.persisted) return;
    for (const form of document.forms) sent.delete(form);
    for (const button of document.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
  });
})();
