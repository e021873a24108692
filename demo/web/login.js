// Picking somebody fills the form in; it is still sent by hand.
const name = document.getElementById("username");
const password = document.getElementById("password");
for (const button of document.querySelectorAll("[data-username]"))
  button.addEventListener("click", () => {
    name.value = button.dataset.username;
    password.value = button.dataset.password;
    document.querySelector("[data-testid=log-in]").focus();
  });
