/** Style sheets are bundled; an import has no value. */
declare module "*.css";
