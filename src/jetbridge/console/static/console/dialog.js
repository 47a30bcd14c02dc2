// Slide-outs. A link with hx-get="URL" hx-target="#slide-out-body" opens the page URL in the dialog; without
// JavaScript its href opens the same page. [data-close], Escape and a click beside it close it. The server closes
// it with the header HX-Trigger: close-slide-out. The browser gives the focus back to the link.
// A form in it is sent into it, unless the form says otherwise: what is wrong with it is told there, and a redirect
// is followed by the whole page (see middleware.py).
(() => {
  const dialog = () => document.getElementById("slide-out");
  const keepForms = (body) => {
    for (const form of body.querySelectorAll('form[method="post"]:not([hx-post])')) {
      form.setAttribute("hx-post", form.action);
      form.setAttribute("hx-target", "#slide-out-body");
      form.setAttribute("hx-disabled-elt", "find [type=submit]");
    }
  };
  document.addEventListener("htmx:afterSwap", (event) => {
    const body = event.detail.target;
    if (body.id !== "slide-out-body") return;
    keepForms(body);
    if (!dialog().open) dialog().showModal();
    body.querySelector("form[method=post] .field :is(input, select, textarea)")?.focus();
  });
  document.addEventListener("close-slide-out", () => dialog().close());
  document.addEventListener("click", (event) => {
    const closer = event.target.closest("dialog [data-close]");
    if (closer) {
      event.preventDefault();
      closer.closest("dialog").close();
    } else if (event.target.matches("dialog.slide-out")) event.target.close(); // the backdrop
  });
  document.addEventListener("DOMContentLoaded", () => {
    dialog()?.addEventListener("close", () => document.getElementById("slide-out-body").replaceChildren());
  });
})();
