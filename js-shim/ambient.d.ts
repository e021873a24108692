// Known to browsers, not yet to the type checker's library.
interface Document {
  prerendering?: boolean;
}
