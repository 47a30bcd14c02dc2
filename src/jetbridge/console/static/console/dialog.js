// Slide-outs. A link with hx-get="URL" hx-target="#slide-out-body" opens the page URL in the dialog; without
// JavaScript its href opens the same page. [data-close], Escape and a click beside it close it. The server closes
// it with the header HX-Trigger: close-slide-out. The browser gives the focus back to the link.
(() => {
  const dialog = () => document.getElementById("slide-out");
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id === "slide-out-body" && !dialog().open) dialog().showModal();
  });
  document.addEventListener("close-slide-out", () => dialog().close());
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
    else if (event.target.matches("dialog.slide-out")) event.target.close(); // the backdrop
  });
  document.addEventListener("DOMContentLoaded", () => {
    dialog()?.addEventListener("close", () => document.getElementById("slide-out-body").replaceChildren());
  });
})();
