/** The example's files: a small C project, the rules, and the script that an agent might have written. */

export interface DemoPlace {
  /** Git repository with commits; the working folder of the run. */
  project: string;
  /** A folder outside the wall. */
  outside: string;
  /** Port on 127.0.0.1 on which the demo itself listens. */
  port: number;
}

export const projectFiles: Readonly<Record<string, string>> = {
  Makefile: `hello: main.o greeting.o
\tcc -o $@ $^

%.o: %.c greeting.h
\tcc -O1 -c -o $@ $<
`,
  "greeting.h": `const char *greeting(void);
`,
  "greeting.c": `#include "greeting.h"

const char *greeting(void) { return "Hello from behind the guarded door"; }
`,
  "main.c": `#include <stdio.h>
#include "greeting.h"

int main(void) { return puts(greeting()) < 0; }
`,
  ".gitignore": `*.o
hello
`,
};

export function rulesText(place: DemoPlace): string {
  return `# Publishing is refused, whoever starts it: a script, make, a hook of git.
prefix_rule(
    pattern = ["git", "push"],
    decision = "forbidden",
    justification = "Publishing is for people: ask the owner of this project",
)

# This one program, with this one argument, is carried outside.
prefix_rule(pattern = ["touch", ${JSON.stringify(releaseMark(place))}], decision = "allow")
`;
}

export function releaseMark(place: DemoPlace): string {
  return `${place.outside}/released`;
}

export function preciousFile(place: DemoPlace): string {
  return `${place.outside}/precious.txt`;
}

/** Steps 3 to 5 are meant to fail, so the script goes on after a failure. \`say\` uses builtins only: it starts no program. */
export function scriptText(place: DemoPlace): string {
  return `say() { if [ -t 1 ]; then printf '\\n\\033[1m%s\\033[0m\\n' "$1"; else printf '\\n%s\\n' "$1"; fi; }
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
export GIT_AUTHOR_NAME=Demo GIT_AUTHOR_EMAIL=demo@example.com
export GIT_COMMITTER_NAME=Demo GIT_COMMITTER_EMAIL=demo@example.com

say '1. Build the project, and run it'
make && ./hello

say '2. Commit a change'
echo '/* reviewed */' >> greeting.c
git commit -q -a -m 'Review the greeting'
git log --oneline

say '3. Call home over the network'
(exec 3<>/dev/tcp/127.0.0.1/${place.port}) && echo 'connected!'

say '4. Delete a file outside of the project'
rm ${quote(preciousFile(place))} < /dev/null

say '5. Publish'
git push origin main

say '6. Leave a mark outside, as the rules allow'
touch ${quote(releaseMark(place))} && echo 'done'
`;
}

function quote(path: string): string {
  return `'${path.replaceAll("'", "'\\''")}'`;
}
