// Where tabs do not fit beside each other, the current one is scrolled into view.
document.addEventListener("DOMContentLoaded", () => {
  const current = document.querySelector(".tabs [aria-current]");
  const tabs = current?.closest(".tabs");
  if (tabs) tabs.scrollLeft = current.offsetLeft - tabs.offsetLeft - (tabs.clientWidth - current.offsetWidth) / 2;
});
