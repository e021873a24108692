// The page around a guest: gives the frame its key, and its height.
const frame = document.getElementById("guest");

addEventListener("message", ({ source, data }) => {
  if (source !== frame.contentWindow || data?.harbour !== "height") return;
  const height = Number(data.height);
  if (height > 0) frame.style.height = `${Math.min(Math.max(height, 320), 4000)}px`;
});

try {
  const { place } = await import(frame.dataset.sdk);
  place(frame);
} catch (error) {
  const box = document.getElementById("guest-problem");
  box.textContent = "The gradebook cannot be reached, so this activity cannot start. Please reload the page.";
  box.hidden = false;
  throw error;
}
