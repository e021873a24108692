// The page for packages: what is too large is said before it is sent, and what is sent is not sent twice.
const form = document.getElementById("bring");
const input = document.getElementById("package");
const box = document.getElementById("too-large");
const button = form.querySelector("button");
const most = Number(form.dataset.most);

input.addEventListener("change", () => {
  const size = input.files[0]?.size ?? 0;
  const over = size > most;
  box.hidden = !over;
  box.textContent = over ? `This file has ${Math.round(size / 2 ** 20)} MiB, and ${most / 2 ** 20} are the most.` : "";
  input.setCustomValidity(box.textContent);
});

form.addEventListener("submit", () => {
  button.disabled = true;
  button.textContent = "One moment…";
});
// back by the browser's own button
addEventListener("pageshow", () => {
  button.disabled = false;
  button.textContent = "Add";
});
