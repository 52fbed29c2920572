/** `${a.b}` in a handler's arguments reads a dotted path of the event's input. */

const placeholder = /\$\{([^{}]*)\}/g;
const wholePlaceholder = /^\$\{([^{}]*)\}$/;

export type Filled = { value: Record<string, unknown> } | { missing: string };

class MissingPath extends Error {}

/** A placeholder that is the whole string keeps the JSON type of what it names; within a longer string it becomes text. */
export function fillTemplates(template: Record<string, unknown>, input: Readonly<Record<string, unknown>>): Filled {
  try {
    return { value: fillObject(template, input) };
  } catch (error) {
    if (error instanceof MissingPath) return { missing: error.message };
    throw error;
  }
}

type Input = Readonly<Record<string, unknown>>;

function fillObject(template: object, input: Input): Record<string, unknown> {
  return Object.fromEntries(Object.entries(template).map(([name, value]) => [name, fill(value, input)]));
}

function fill(template: unknown, input: Input): unknown {
  if (typeof template === "string") return fillText(template, input);
  if (Array.isArray(template)) return template.map((part) => fill(part, input));
  return typeof template === "object" && template !== null ? fillObject(template, input) : template;
}

function fillText(template: string, input: Input): unknown {
  const whole = wholePlaceholder.exec(template)?.[1];
  if (whole !== undefined) return valueAt(whole, input);
  return template.replaceAll(placeholder, (_, path: string) => {
    const value = valueAt(path, input);
    return typeof value === "string" ? value : JSON.stringify(value);
  });
}

function valueAt(path: string, input: Input): unknown {
  let value: unknown = input;
  for (const name of path.split(".")) {
    // Own properties only: `${constructor}` names nothing.
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) throw new MissingPath(path);
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}
