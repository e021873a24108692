var PULL =
  '<svg viewBox="0 0 640 220" role="img" aria-label="The Earth with a bulge of water towards the moon and another away from it">' +
  '<ellipse cx="230" cy="110" rx="150" ry="78" fill="#3b93b8"/><circle cx="230" cy="110" r="72" fill="#7fa65a"/>' +
  '<circle cx="560" cy="110" r="24" fill="#b9b3a5"/><path d="M400 110h118m-14-9 14 9-14 9" fill="none" stroke="#c4672a" stroke-width="4"/>' +
  '<text x="230" y="116" text-anchor="middle" font-size="18" fill="#fff">Earth</text>' +
  '<text x="560" y="160" text-anchor="middle" font-size="18" fill="currentColor">Moon</text></svg>';
var SPRING =
  '<svg viewBox="0 0 640 220" role="img" aria-label="Sun, Earth and full moon in one line, and the half moon at a right angle">' +
  '<circle cx="40" cy="110" r="34" fill="#e5a83b"/><circle cx="320" cy="110" r="40" fill="#3b93b8"/><circle cx="420" cy="110" r="14" fill="#b9b3a5"/>' +
  '<circle cx="320" cy="30" r="14" fill="none" stroke="#b9b3a5" stroke-width="3"/>' +
  '<text x="352" y="172" font-size="18" fill="currentColor">full moon: spring tide</text>' +
  '<text x="346" y="36" font-size="18" fill="currentColor">half moon: neap tide</text></svg>';

window.LESSON = {
  version: "1.2",
  mastery: 60,
  pages: [
    {
      title: "Twice a day",
      text: [
        "Stand at a harbour wall on the North Sea for a day. The water climbs for about six hours, stands still for a moment, and sinks for six hours more. Then it begins again.",
        "From one high water to the next it takes 12 hours and 25 minutes. That is why the times in a tide table move on by about 50 minutes each day.",
      ],
    },
    {
      title: "The moon pulls",
      text: [
        "The moon draws everything on Earth towards itself, and it draws what is near more strongly than what is far. On the side that faces it, the sea is drawn away from the Earth. On the far side, the Earth is drawn away from the sea.",
        "So there are two bulges of water, not one. The Earth turns below them, and each coast passes through both.",
      ],
      picture: PULL,
      caption: "Two bulges: one towards the moon, one away from it. Not to scale.",
    },
    {
      title: "Why 25 minutes more",
      text: [
        "While the Earth turns once, the moon has gone on in its orbit in the same direction. A coast has to turn for 50 minutes more until it faces the moon again.",
        "Half of that, 25 minutes, is added to each half of a day: hence 12 hours and 25 minutes.",
      ],
    },
    {
      title: "Spring and neap",
      text: [
        "The sun pulls as well, a bit less than half as strongly as the moon. At new moon and at full moon the two stand in one line, and their bulges add up: spring tide, with very high and very low water.",
        "At half moon they stand at a right angle, and each takes from the other: neap tide.",
      ],
      picture: SPRING,
      caption: "In one line they add up, at a right angle they do not.",
    },
    {
      title: "Coasts make the difference",
      text: [
        "In the open ocean the water rises by less than a metre. Where a bay narrows like a funnel, the same water has to go somewhere: in the Bay of Fundy in Canada it climbs by up to 16 metres.",
        "The Baltic Sea is almost closed, and far too small to slosh along: its tides are a matter of centimetres.",
      ],
    },
    {
      id: "bulges",
      title: "First question",
      question: "Why is there a high water on the side that faces away from the moon?",
      options: [
        "The sun stands on that side.",
        "The Earth is drawn towards the moon more strongly than the sea behind it.",
        "The water that flows off on the near side runs together there.",
        "There is none: that is a mistake in the tide tables.",
      ],
      right: 1,
      because: "What is near is drawn more strongly than what is far, and the Earth is nearer than the sea behind it.",
    },
    {
      id: "delay",
      title: "Second question",
      question: "High water was at 8:00 this morning. When is the next one?",
      options: ["At about 14:10", "At about 20:00", "At about 20:25", "At about 8:50 tomorrow"],
      right: 2,
      because: "It takes 12 hours and 25 minutes.",
    },
    {
      id: "spring",
      title: "Third question",
      question: "When is the difference between high and low water largest?",
      options: ["At half moon", "At new moon and at full moon", "In summer", "When the wind blows from the land"],
      right: 1,
      because: "Then sun and moon pull in one line.",
    },
    { title: "Result", result: true },
  ],
};
