// Filters apply at once; arrow keys turn pages.
const form = document.getElementById("filters");
form.addEventListener("change", (event) => {
  if (event.target.tagName === "SELECT") form.requestSubmit();
});
form.addEventListener("formdata", (event) => {
  for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
});
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  const link = { ArrowLeft: "before", ArrowRight: "after" }[event.key];
  if (link) document.getElementById(link)?.click();
});
