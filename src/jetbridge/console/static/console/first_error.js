// [data-error]: what is wrong with a form that came back. The first one comes into view and has the focus: its field, else
// itself. After a whole page, and after a form that htmx sent.
(() => {
  const show = (root) => {
    const error = root.matches?.("[data-error]") ? root : root.querySelector("[data-error]");
    if (!error) return;
    for (let part = error; part; part = part.parentElement) if (part.localName === "details") part.open = true;
    const field = error.querySelector("input:not([type=hidden]):enabled, select:enabled, textarea:enabled");
    if (!field) error.tabIndex = -1;
    (field ?? error).focus({ preventScroll: true });
    error.scrollIntoView({ block: "center" });
  };
  document.addEventListener("DOMContentLoaded", () => show(document));
  document.addEventListener("htmx:afterSwap", ({ target, detail }) => {
    if (detail.requestConfig?.triggeringEvent?.type !== "submit") return;
    show(detail.target.isConnected ? detail.target : target); // what replaces its target is the event's own
  });
})();
