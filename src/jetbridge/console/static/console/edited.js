// A text that somebody has begun to change is not replaced by what comes from the server beside something else. One that
// they are in follows when they leave it unchanged: what is selected there was selected in the former text.
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const text = event.detail.target;
  if (text.localName !== "textarea") return;
  if (text.value !== text.defaultValue) {
    event.detail.shouldSwap = false;
  } else if (text === document.activeElement) {
    event.detail.shouldSwap = false;
    const next = event.detail.fragment.querySelector("textarea").defaultValue;
    text.addEventListener(
      "blur",
      () => {
        if (text.value === text.defaultValue) text.value = text.defaultValue = next;
      },
      { once: true },
    );
  }
});
