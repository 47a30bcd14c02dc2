// <button data-fill="ID" data-value="TEXT">: writes TEXT into the field ID, as if it was typed.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-fill]");
  const input = button && document.getElementById(button.dataset.fill);
  if (!input) return;
  input.value = button.dataset.value;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  input.focus();
});
