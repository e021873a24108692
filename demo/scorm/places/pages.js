/** A map without land: lines each 30 degrees, and the points that matter. */
function chart(points) {
  var x = function (longitude) {
    return 20 + ((longitude + 180) / 360) * 600;
  };
  var y = function (latitude) {
    return 20 + ((90 - latitude) / 180) * 300;
  };
  var lines = "";
  for (var degrees = -180; degrees <= 180; degrees += 30) {
    var mark = degrees === 0 ? ' stroke-width="3"' : "";
    lines += '<path d="M' + x(degrees) + ' 20v300"' + mark + "/>";
    if (Math.abs(degrees) <= 90) lines += '<path d="M20 ' + y(degrees) + 'h600"' + mark + "/>";
  }
  var labels = [-120, -60, 60, 120].map(function (degrees) {
    return '<text x="' + x(degrees) + '" y="336" text-anchor="middle">' + Math.abs(degrees) + (degrees < 0 ? "° W" : "° E") + "</text>";
  });
  labels = labels.concat(
    [-60, -30, 30, 60].map(function (degrees) {
      return '<text x="26" y="' + (y(degrees) - 4) + '">' + Math.abs(degrees) + (degrees < 0 ? "° S" : "° N") + "</text>";
    }),
  );
  var dots = points.map(function (point) {
    return (
      '<circle cx="' + x(point[2]) + '" cy="' + y(point[1]) + '" r="6" fill="#c4672a"/>' +
      '<text x="' + (x(point[2]) + 10) + '" y="' + (y(point[1]) + 5) + '" font-weight="bold">' + point[0] + "</text>"
    );
  });
  var names = points.map(function (point) {
    return point[0];
  });
  return (
    '<svg viewBox="0 0 640 345" role="img" aria-label="Lines of latitude and longitude, 30 degrees apart, with ' +
    (names.join(" and ") || "no places") +
    '" font-size="14" fill="currentColor"><g fill="none" stroke="currentColor" stroke-opacity="0.45">' +
    lines + "</g>" + labels.join("") + dots.join("") + "</svg>"
  );
}

function task(id, title, latitude, longitude, because) {
  return {
    id: id,
    title: "Where is " + title + "?",
    picture: chart([[title, latitude, longitude]]),
    caption: "The thick lines are the equator and the meridian of Greenwich. Eight degrees off is near enough.",
    question: "Read its coordinates off the map, in degrees.",
    place: [latitude, longitude],
    because: because,
  };
}

window.LESSON = {
  version: "2004",
  mastery: 50,
  pages: [
    {
      title: "Two numbers for every place",
      text: [
        "An address needs a street and a town. A place at sea has neither, and yet every ship can say where it is: by two angles, measured from the middle of the Earth.",
        "One of them says how far north or south you are, the other how far east or west.",
      ],
    },
    {
      title: "Latitude",
      text: [
        "The equator goes round the Earth at 0°. From there you count to 90° at each pole: north of it as positive numbers, south of it as negative ones.",
        "A degree of latitude is 111 kilometres wherever you are.",
      ],
      picture: chart([["Quito", 0, -78]]),
      caption: "Quito lies almost on the equator: 0°.",
    },
    {
      title: "Longitude",
      text: [
        "For east and west nature gives no line to begin with. In 1884 it was agreed on: the meridian through the observatory of Greenwich in London is 0°. You count to 180° towards the east, as positive numbers, and to −180° towards the west.",
        "The Earth turns by 15° in an hour. That is why longitude was found with a clock.",
      ],
      picture: chart([["Greenwich", 51, 0]]),
      caption: "Greenwich: 51° north, 0°.",
    },
    {
      title: "Reading a map",
      text: [
        "The lines below are 30° apart. First look which lines a place lies between, then guess how far it is from the nearer one.",
        "Cairo lies on the line of 30° north, and a little way to the east of 30° east: 30, 31.",
      ],
      picture: chart([["Cairo", 30, 31]]),
      caption: "Cairo: 30° north, 31° east.",
    },
    task("reykjavik", "Reykjavík", 64, -22, "Reykjavík lies at 64° north and 22° west: 64, −22."),
    task("sydney", "Sydney", -34, 151, "Sydney lies at 34° south and 151° east: −34, 151."),
    task("lima", "Lima", -12, -77, "Lima lies at 12° south and 77° west: −12, −77."),
    task("tokyo", "Tokyo", 36, 140, "Tokyo lies at 36° north and 140° east: 36, 140."),
    { title: "Result", result: true },
  ],
};
