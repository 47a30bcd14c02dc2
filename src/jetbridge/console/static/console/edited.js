// A text that somebody has begun to change is not replaced by what comes from the server beside something else.
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const text = event.detail.target;
  if (text.localName === "textarea" && text.value !== text.defaultValue) event.detail.shouldSwap = false;
});
