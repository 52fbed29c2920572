/** Programs whose arguments, input or working folder say what else is to run. An allow rule for one of them allows nearly
 *  everything, so they leave the sandbox only where the rule says `escalate = True`. One table, a reason per group. */
import type { Program } from "./programs.ts";
import type { SearchPath } from "./search-path.ts";

const groups: readonly { reason: string; names: string }[] = [
  {
    reason: "a shell runs any command",
    names: "sh bash rbash dash ash zsh ksh mksh fish csh tcsh yash busybox toybox pwsh nu elvish xonsh",
  },
  {
    reason: "an interpreter runs any code",
    names:
      "python pypy perl ruby node nodejs deno bun tsx ts-node lua luajit php tclsh wish expect guile racket sbcl clisp ecl emacs ghc runghc " +
      "runhaskell ocaml julia R Rscript octave java jshell groovy scala kotlin elixir iex erl swift gawk mawk nawk awk original-awk sed gsed dc m4 " +
      "sqlite3 psql mysql mariadb mongosh redis-cli gnuplot irb ipython jupyter uv uvx pipx mono dotnet wasmtime wasmer qemu-x86_64 qemu-aarch64",
  },
  {
    reason: "it runs its arguments as a program",
    names:
      "env xargs find fd fdfind parallel timeout nice nohup setsid setpriv stdbuf script unshare nsenter chroot pivot_root runuser su sudo sudoedit doas " +
      "pkexec run0 systemd-run start-stop-daemon setarch linux32 linux64 i386 x86_64 taskset chrt ionice numactl prlimit flock time watch " +
      "entr inotifywait ltrace strace strace64 perf valgrind gdb gdbserver lldb rr dbus-run-session dbus-launch xvfb-run fakeroot faketime proot bwrap firejail " +
      "unbuffer dtach tmux screen zellij at batch crontab ld.so ldd coreutils install-info run-parts run-one chronic ifne lckdo capsh " +
      "choom setfattr catchsegv eatmydata stdbuf rlwrap socat ncat nc netcat inetd tcpserver xinetd daemonize torify torsocks proxychains",
  },
  {
    reason: "a build tool or package manager runs what its files say",
    names:
      "make gmake bmake remake ninja samu cmake ctest meson scons bazel bazelisk buck buck2 ant mvn gradle sbt lein rake bundle bundler gem npm npx pnpm pnpx yarn " +
      "yarnpkg corepack cargo rustc rustup go gcc g++ cc c++ clang clang++ ld gold cpp tcc zig nim dub dune opam cabal stack mix rebar3 composer pip pip3 poetry pipenv " +
      "tox nox pytest hatch conda mamba apt apt-get aptitude dpkg dpkg-deb dnf yum rpm pacman apk brew nix nix-build nix-shell guix snap flatpak just task invoke fab pre-commit " +
      "lerna nx turbo jest mocha vitest webpack vite eslint gulp grunt autoconf automake configure libtool pkg-config debuild dpkg-buildpackage",
  },
  {
    reason: "it runs hooks, filters, aliases or helpers that its configuration names",
    names:
      "git git-shell hg svn bzr jj fossil cvs gh glab mutt mail mailx msmtp sendmail man mandb less more most pager lesspipe vi vim vimdiff view ex rvim nvim " +
      "nano pico ed red joe micro helix hx kak mc ranger lf nnn editor sensible-editor sensible-pager sensible-browser xdg-open open gpg gpg2 gpgv pass",
  },
  {
    reason: "it runs programs on another machine or in a container, or copies files there",
    names:
      "ssh scp sftp sshfs rsync rsh rlogin telnet mosh autossh sshpass docker docker-compose podman buildah nerdctl ctr crictl runc crun kubectl helm oc minikube " +
      "lxc lxd incus vagrant virsh qemu machinectl systemd-nspawn ansible ansible-playbook terraform tofu pulumi salt chef puppet aws gcloud az",
  },
  {
    reason: "it can start a helper that an option names",
    names:
      "tar bsdtar gtar cpio pax zip star wget aria2c lftp ftp sort split rg zgrep ps2pdf convert magick ffmpeg tcpdump logrotate",
  },
  {
    reason: "it controls services, mounts or the kernel",
    names: "systemctl service initctl loginctl busctl gdbus dbus-send mount umount modprobe insmod kmod ip debugfs",
  },
];

const reasons = new Map(
  groups.flatMap(({ reason, names }) => names.split(/\s+/).map((name) => [name, reason] as const)),
);

export class Launchers {
  readonly #searchPath: SearchPath;
  #byKey: Map<string, string> | undefined;

  constructor(searchPath: SearchPath) {
    this.#searchPath = searchPath;
  }

  /** Why this program is a launcher, or null. By any of its names, or as the file that a launcher's name has on the PATH;
   *  of a multi-call file, which is many programs, by name alone. */
  reasonFor(program: Program): string | null {
    for (const name of program.names) {
      const reason = typeof name === "string" ? reasonByName(name) : undefined;
      if (reason !== undefined) return reason;
    }
    return program.multiCall === null ? (this.#keys().get(program.file.key) ?? null) : null;
  }

  /** Looked up only when an allow rule has matched: hundreds of lookups are not for the start of every session. */
  #keys(): Map<string, string> {
    if (this.#byKey !== undefined) return this.#byKey;
    this.#byKey = new Map();
    this.#searchPath.expectMany();
    for (const [name, reason] of reasons) {
      // In every folder, so that a twin put first on the PATH does not hide the real one.
      for (const key of this.#searchPath.keysOf(name)) this.#byKey.set(key, reason);
    }
    return this.#byKey;
  }
}

/** `python3.11`, `vim.tiny` and `x86_64-linux-gnu-gcc-12` are python, vim and gcc. */
function reasonByName(name: string): string | undefined {
  const native = name.replace(/^[a-z0-9_]+-linux-[a-z0-9]+-/, "");
  const unversioned = native.replace(/[-.]?\d[\d.]*$/, "");
  const forms = [name, native, unversioned, native.split(".")[0] ?? native];
  return forms.map((form) => reasons.get(form)).find((reason) => reason !== undefined);
}
