// <select data-shows-in="ID">: the field ID shows the value that is chosen.
document.addEventListener("change", (event) => {
  const field = document.getElementById(event.target.dataset?.showsIn);
  if (field) field.value = event.target.value;
});
