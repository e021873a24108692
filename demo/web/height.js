// A page in a frame tells the page around how high it is, so that nobody has to scroll twice.
const { around } = document.documentElement.dataset;
const tell = () => parent.postMessage({ harbour: "height", height: Math.ceil(document.body.scrollHeight) }, around);
new ResizeObserver(tell).observe(document.body);
