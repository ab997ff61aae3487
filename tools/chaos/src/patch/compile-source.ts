/** Compiles a patched source file to the module that the build would write. */
import { transformSync } from "esbuild";

const SOURCE_IMPORT = /(from\s+|import\(\s*)"(\.{1,2}\/[^"]+)\.ts"/g;

export function compileSource(source: string): string {
  const { code } = transformSync(source, {
    loader: "ts",
    format: "esm",
    target: "es2023",
    tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
  });
  return code.replace(SOURCE_IMPORT, '$1"$2.js"');
}

/** The path of the module that the build writes for a source file: `shared/src/a.ts` becomes `shared/dist/a.js`. */
export function builtFile(sourceFile: string): string {
  return sourceFile.replace("/src/", "/dist/").replace(/\.ts$/, ".js");
}
