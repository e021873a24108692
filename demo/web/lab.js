// Loads the laboratory, which is a program in WebAssembly.
try {
  const { default: start } = await import("/built/lab.js");
  await start();
} catch (error) {
  const box = document.getElementById("loading");
  box.className = "notice bad";
  box.textContent = "The laboratory cannot start here. Please reload the page, or try another browser.";
  box.hidden = false;
  throw error;
}
