// How Ruffle plays the movies of this site: at once, and silently, since none of them has a sound. On a canvas, which is quick
// enough for them: where the browser has no graphics card, any other way lays advice over the movie that takes the first click.
window.RufflePlayer = {
  config: { autoplay: "on", unmuteOverlay: "hidden", splashScreen: false, preferredRenderer: "canvas" },
};

// A player that does not come is told; one that came tells by itself what it cannot play.
addEventListener("load", () => {
  const player = document.querySelector("ruffle-object, ruffle-embed, ruffle-player");
  document.getElementById("film-problem").hidden = Boolean(player);
});
