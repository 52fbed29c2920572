// Holds the direction of imports between packages. The table is scripts/layers.json; the linter reads the same one.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { test } from "node:test";
import table from "../scripts/layers.json" with { type: "json" };

const ROOT = dirname(import.meta.dirname);
const SCOPE = "@sallyport/";
const packages = readdirSync(join(ROOT, "packages")).sort();

interface Source {
  /** Relative to the root, such as `packages/cli/src/main.ts`. */
  path: string;
  text: string;
}

const sources = packages.flatMap(readSources);

test("every package stands once in scripts/layers.json", () => {
  assert.deepEqual(table.layers.flat().sort(), packages);
});

test("sources import only packages below their own", () => {
  assert.deepEqual(sources.flatMap(findBadImports), []);
});

test("package.json and tsconfig.json name the same packages, all of them below", () => {
  for (const name of packages) {
    const dependencies = readDependencies(name);
    const references = readReferences(name);
    assert.deepEqual(references, dependencies, `references and dependencies of ${name}`);
    const bad = dependencies.filter((other) => !mayImport(name, other));
    assert.deepEqual(bad, [], `dependencies of ${name} that do not lie below it`);
  }
});

test("no source switches a check off", () => {
  assert.deepEqual(sources.flatMap(findDisabledChecks), []);
});

test("the checks above find what they forbid", () => {
  const path = "packages/exec-policy/src/sample.ts";
  const found = (text: string) => findBadImports({ path, text }).length;
  assert.equal(found(`import { run } from "@sallyport/cli";`), 1);
  assert.equal(found(`export * from "@sallyport/sandbox";`), 1);
  assert.equal(found(`const { run } = await import("@sallyport/shell-escalation");`), 1);
  assert.equal(found(`import type { Wire } from "@sallyport/protocol/src/wire.ts";`), 1);
  assert.equal(found(`import "../../protocol/src/wire.ts";`), 1);
  assert.equal(found(`import { readFileSync } from "node:fs";`), 1);
  assert.equal(found(`import { parse } from "./parse.ts";\nimport type { Wire } from "@sallyport/protocol";`), 0);
  assert.equal(findDisabledChecks({ path, text: "// oxlint-disable-next-line no-var" }).length, 1);
  assert.equal(findDisabledChecks({ path, text: "// @ts-ignore" }).length, 1);
});

function readSources(name: string): Source[] {
  const folder = join(ROOT, "packages", name, "src");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  return files.map((file) => ({
    path: relative(ROOT, join(folder, file)),
    text: readFileSync(join(folder, file), "utf8"),
  }));
}

function findBadImports({ path, text }: Source): string[] {
  const name = packageOf(path);
  // Also finds an import inside a comment or a string, which is rare and easily reworded.
  const imports = text.matchAll(/\b(?:from|import|resolve)\s*\(?\s*["'`]([^"'`]+)["'`]/g);
  const specifiers = [...imports].map((match) => match[1] ?? "");
  return specifiers.filter((specifier) => !isAllowed(name, path, specifier)).map((bad) => `${path}: "${bad}"`);
}

function isAllowed(name: string, path: string, specifier: string): boolean {
  if (specifier.startsWith(".")) {
    const target = resolve(ROOT, dirname(path), specifier);
    return target.startsWith(join(ROOT, "packages", name, "src") + sep);
  }
  if (specifier.startsWith("node:")) return !table.withoutNode.includes(name);
  const [other = "", ...entry] = specifier.slice(SCOPE.length).split("/");
  if (specifier.startsWith(SCOPE) && furtherEntries(other).includes(entry.join("/"))) return mayImport(name, other);
  if (specifier.startsWith(SCOPE)) return mayImport(name, specifier.slice(SCOPE.length));
  return true;
}

/** What the package exports besides itself: `check` of `@sallyport/exec-policy/check`. */
function furtherEntries(name: string): string[] {
  if (!packages.includes(name)) return [];
  const { exports } = JSON.parse(readFileSync(join(ROOT, "packages", name, "package.json"), "utf8")) as {
    exports?: object;
  };
  return Object.keys(exports ?? {}).flatMap((entry) => (entry === "." ? [] : [entry.replace("./", "")]));
}

/** False for a path inside a package, such as `protocol/src/wire.ts`: no layer has that name. */
function mayImport(name: string, other: string): boolean {
  const isBelow = layerOf(other) > layerOf(name);
  return isBelow && (!table.withoutNode.includes(name) || table.withoutNode.includes(other));
}

function layerOf(name: string): number {
  return table.layers.findIndex((layer) => layer.includes(name));
}

function packageOf(path: string): string {
  return path.split(sep)[1] ?? "";
}

function findDisabledChecks({ path, text }: Source): string[] {
  const comments = text.match(/(?:oxlint|eslint)-disable|oxfmt-ignore|prettier-ignore|@ts-(?:ignore|nocheck)/g) ?? [];
  return comments.map((comment) => `${path}: ${comment}`);
}

function readDependencies(name: string): string[] {
  const manifest: { dependencies?: Record<string, string> } = readJson(name, "package.json");
  const ours = Object.keys(manifest.dependencies ?? {}).filter((key) => key.startsWith(SCOPE));
  return ours.map((key) => key.slice(SCOPE.length)).sort();
}

function readReferences(name: string): string[] {
  const config: { references?: { path: string }[] } = readJson(name, "tsconfig.json");
  return (config.references ?? []).map(({ path }) => path.replace(/^\.\.\//, "")).sort();
}

function readJson(name: string, file: string) {
  return JSON.parse(readFileSync(join(ROOT, "packages", name, file), "utf8"));
}
