// A request of htmx that fails is reported in a toast, until the same request works or the toast is dismissed. The text is the
// heading and the first paragraph of the error page. [data-dismiss] removes the toast around it.
(() => {
  const NO_RESPONSE = "Jetbridge does not respond. Try again in a moment.";
  let toast, path;
  const remove = () => { toast?.remove(); toast = path = undefined; };
  const report = (detail, text) => {
    remove();
    path = detail.pathInfo.requestPath;
    toast = document.getElementById("request-error").content.firstElementChild.cloneNode(true);
    toast.querySelector("p").textContent = text;
    // Outside an open dialog it would be behind the dialog.
    (document.querySelector("dialog[open] .slide-out-content") ?? document.getElementById("toasts")).prepend(toast);
  };
  const textOf = (html) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    const parts = [page.querySelector("h1"), page.querySelector("h1 ~ p")].map((part) => part?.textContent.trim());
    return parts.filter(Boolean).join(". ");
  };
  document.addEventListener("htmx:responseError", ({ detail }) => {
    report(detail, textOf(detail.xhr.responseText) || `The request failed (${detail.xhr.status}).`);
  });
  document.addEventListener("htmx:sendError", ({ detail }) => report(detail, NO_RESPONSE));
  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    if (detail.successful && detail.pathInfo.requestPath === path) remove();
  });
  document.addEventListener("click", (event) => event.target.closest("[data-dismiss]")?.closest(".toast").remove());
})();
