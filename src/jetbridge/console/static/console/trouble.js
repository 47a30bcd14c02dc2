// What htmx could not do is told, once, until it works or is dismissed: in the words of the page that the server
// answered with. [data-dismiss] takes the toast away that it is in.
(() => {
  const SILENT = "Jetbridge does not answer. Try again in a moment.";
  let shown, path;
  const gone = () => { shown?.remove(); shown = path = undefined; };
  const tell = (detail, words) => {
    gone();
    path = detail.pathInfo.requestPath;
    shown = document.getElementById("trouble").content.firstElementChild.cloneNode(true);
    shown.querySelector("p").textContent = words;
    // What is outside an open dialog is behind it.
    (document.querySelector("dialog[open] .slide-out-content") ?? document.getElementById("toasts")).prepend(shown);
  };
  const wordsOf = (html) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    const said = [page.querySelector("h1"), page.querySelector("h1 ~ p")].map((part) => part?.textContent.trim());
    return said.filter(Boolean).join(". ");
  };
  document.addEventListener("htmx:responseError", ({ detail }) => {
    tell(detail, wordsOf(detail.xhr.responseText) || `That did not work (${detail.xhr.status}).`);
  });
  document.addEventListener("htmx:sendError", ({ detail }) => tell(detail, SILENT));
  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    if (detail.successful && detail.pathInfo.requestPath === path) gone();
  });
  document.addEventListener("click", (event) => event.target.closest("[data-dismiss]")?.closest(".toast").remove());
})();
