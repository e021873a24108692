// How Ruffle plays the movies of this site: at once, and silently, since none of them has a sound.
window.RufflePlayer = { config: { autoplay: "on", unmuteOverlay: "hidden", splashScreen: false } };

// A player that does not come is told; one that came tells by itself what it cannot play.
addEventListener("load", () => {
  const player = document.querySelector("ruffle-object, ruffle-embed, ruffle-player");
  document.getElementById("film-problem").hidden = Boolean(player);
});
