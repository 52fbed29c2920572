/** Programs whose arguments, input or working folder say what else is to run. An allow rule for one of them allows nearly
 *  everything, so they leave the sandbox only where the rule says `escalate = True`. One table, a reason per group. */
import type { ExecFile } from "@sallyport/supervisor";
import { digestOfFileNow } from "./digest.ts";
import type { Program } from "./programs.ts";
import type { SearchPath } from "./search-path.ts";

const groups: readonly { reason: string; names: string }[] = [
  {
    reason: "a shell runs any command",
    names:
      "sh bash rbash dash ash zsh ksh mksh fish csh tcsh yash busybox toybox pwsh nu elvish xonsh " +
      "sash posh lksh scsh oksh loksh hush slsh osh ysh",
  },
  {
    reason: "an interpreter runs any code",
    names:
      "python pypy perl ruby node nodejs deno bun tsx ts-node lua luajit php tclsh wish expect guile racket sbcl clisp ecl emacs ghc runghc " +
      "runhaskell ocaml julia R Rscript octave java jshell groovy scala kotlin elixir iex erl swift gawk mawk nawk awk original-awk sed gsed dc m4 " +
      "sqlite3 psql mysql mariadb mongosh redis-cli gnuplot irb ipython jupyter uv uvx pipx mono dotnet wasmtime wasmer qemu-x86_64 qemu-aarch64 " +
      "bpython ptpython pdb pydoc pygmentize perldoc perlbug perlthanks cpan cpanm prove instmodsh rename prename file-rename pry byebug maxima sage lli jdb " +
      "jjs jrunscript jexec jhsdb jlink jpackage jcmd jconsole jstatd jarsigner keytool rmiregistry javac javadoc php-cgi php-fpm sqlplus sqlcmd duckdb " +
      "clickhouse influx mongo pgbench postgres initdb bpftrace stap dtrace gimp blender inkscape libreoffice soffice gs ghostscript",
  },
  {
    reason: "it runs its arguments as a program",
    names:
      "env xargs find fd fdfind parallel timeout nice nohup setsid setpriv stdbuf script unshare nsenter chroot pivot_root runuser su sudo sudoedit doas " +
      "pkexec run0 systemd-run start-stop-daemon setarch linux32 linux64 i386 x86_64 taskset chrt ionice numactl prlimit flock time watch " +
      "entr inotifywait ltrace strace strace64 perf valgrind gdb gdbserver lldb rr dbus-run-session dbus-launch xvfb-run fakeroot faketime proot bwrap " +
      "firejail " +
      "unbuffer dtach tmux screen zellij at batch crontab ld.so ldd coreutils install-info run-parts run-one chronic ifne lckdo capsh " +
      "choom setfattr catchsegv eatmydata rlwrap socat ncat nc netcat inetd tcpserver xinetd daemonize torify torsocks proxychains " +
      "runcon uclampset schedtool cgexec logsave sg newgrp login agetty getty sulogin switch_root fstab-decode luit scriptlive sotruss memusage heaptrack " +
      "gcore gdbtui gdb-add-index vgdb gprofng rust-gdb rust-lldb ssh-agent msgexec msgfilter msginit systemd systemd-cat systemd-inhibit systemd-notify " +
      "systemd-socket-activate systemd-nspawn udevadm supervisord supervisorctl runsv runsvdir chpst softlimit setuidgid envuidgid envdir setlock svc " +
      "s6-setuidgid tini dumb-init catatonit su-exec gosu sudo-rs ksu calife aa-exec cpulimit multitime hyperfine gtime watchexec nodemon pm2 forever " +
      "concurrently cross-env dotenv foreman honcho overmind goreman direnv mise asdf rbenv pyenv nodenv nvm fnm volta pee vipe vidir mispipe zrun fzf rofi " +
      "dmenu_run xinit startx xterm uxterm rxvt urxvt alacritty kitty foot konsole gnome-terminal x-terminal-emulator xautolock xss-lock xdotool dbus-daemon " +
      "byobu tmate minicom picocom openvt fakechroot schroot dchroot pbuilder cowbuilder sbuild debootstrap pg_ctl pg_ctlcluster pg_virtualenv not openvpn " +
      "pppd wg-quick",
  },
  {
    reason: "a build tool or package manager runs what its files say",
    names:
      "make gmake bmake remake ninja samu cmake ctest meson scons bazel bazelisk buck buck2 ant mvn gradle sbt lein rake bundle bundler gem npm npx pnpm pnpx " +
      "yarn " +
      "yarnpkg corepack cargo rustc rustup go gcc g++ cc c++ clang clang++ ld gold cpp tcc zig nim dub dune opam cabal stack mix rebar3 composer pip pip3 " +
      "poetry pipenv " +
      "tox nox pytest hatch conda mamba apt apt-get aptitude dpkg dpkg-deb dnf yum rpm pacman apk brew nix nix-build nix-shell guix snap flatpak just task " +
      "invoke fab pre-commit " +
      "lerna nx turbo jest mocha vitest webpack vite eslint gulp grunt autoconf automake configure libtool pkg-config debuild dpkg-buildpackage " +
      "aclocal autoreconf autoheader autom4te c89 c99 musl-gcc icc ifort gfortran gnat gdc ldc2 dmd nvcc hipcc ccache sccache distcc icecc ar nm ranlib strip " +
      "objcopy opt llc bugpoint llvm-reduce clang-tidy clangd lld qmake bear colcon catkin waf premake cpack checkinstall fpm debconf ucf invoke-rc.d " +
      "deb-systemd-invoke update-ca-certificates add-apt-repository zypper emerge xbps-install opkg nala synaptic easy_install rustup-init earthly dagger tex " +
      "latex pdftex pdflatex xetex xelatex luatex lualatex latexmk dvips groff nroff troff grog pic gpic pandoc sphinx-build mkdocs jekyll hugo asciidoctor",
  },
  {
    reason: "it runs hooks, filters, aliases or helpers that its configuration names",
    names:
      "git git-shell hg svn bzr jj fossil cvs gh glab mutt mail mailx msmtp sendmail man mandb less more most pager lesspipe vi vim vimdiff view ex rvim nvim " +
      "nano pico ed red joe micro helix hx kak mc ranger lf nnn editor sensible-editor sensible-pager sensible-browser xdg-open open gpg gpg2 gpgv pass " +
      "scalar tig lazygit gitui hub glow bat batcat delta rview rgvim vimtutor emacsclient pg xmore info pinfo zless zmore bzless bzmore xzless xzmore lzless " +
      "lzmore zstdless w3m lynx links links2 elinks htop btop ncdu iftop journalctl timedatectl localectl hostnamectl networkctl resolvectl coredumpctl " +
      "bootctl systemd-analyze systemd-cgls systemd-delta gpg-agent gpg-connect-agent gpgsm gpgconf gpgtar gpg-zip dirmngr visudo vipw vigr edquota " +
      "select-editor sensible-terminal run-mailcap gio gapplication dialog whiptail sdiff ispell aspell ag ack cscope bashbug etckeeper chezmoi",
  },
  {
    reason: "it runs programs on another machine or in a container, or copies files there",
    names:
      "ssh scp sftp sshfs rsync rsh rlogin telnet mosh autossh sshpass docker docker-compose podman buildah nerdctl ctr crictl runc crun kubectl helm oc " +
      "minikube " +
      "lxc lxd incus vagrant virsh qemu machinectl ansible ansible-playbook terraform tofu pulumi salt chef puppet aws gcloud az " +
      "ssh-copy-id ssh-argv0 sshd dropbear dbclient psftp plink gsutil bq flyctl heroku restic borg duplicity rclone tftp lftp ncftp smbclient rtorrent " +
      "apptainer singularity distrobox toolbox lima colima kind k3s k9s skaffold tilt argocd flux nomad consul vault packer",
  },
  {
    reason: "it can start a helper that an option names",
    names:
      "tar bsdtar gtar cpio pax zip star wget aria2c ftp sort split rg zgrep ps2pdf convert magick ffmpeg tcpdump logrotate " +
      "install diff3 mkfs fsck tc ssh-keygen ssh-add openssl osslsigncode nmap tshark wireshark dumpcap mitmproxy mitmdump hping3 stunnel varnishncsa mpv vlc " +
      "mplayer identify mogrify montage compose gm dmsetup debugfs exiftool unsquashfs mksquashfs genisoimage xorriso dvtm cdrecord",
  },
  {
    reason: "it controls services, mounts or the kernel",
    names: "systemctl service initctl loginctl busctl gdbus dbus-send mount umount modprobe insmod kmod ip debugfs",
  },
];

const reasons = new Map(
  groups.flatMap(({ reason, names }) => names.split(/\s+/).map((name) => [name, reason] as const)),
);

/** Parts of a program that has its table's reason. */
const families = (["git", "apt", "dpkg", "debconf"] as const).map(
  (name) => [`${name}-`, reasons.get(name) ?? "it is a part of a launcher"] as const,
);

/** A launcher of this machine. */
interface KnownLauncher {
  path: string;
  reason: string;
}

export class Launchers {
  readonly #searchPath: SearchPath;
  readonly #brokerPid: number;
  readonly #byKey = new Map<string, KnownLauncher>();
  readonly #bySize = new Map<number, KnownLauncher[]>();
  /** Of files that were compared, by identity and size. */
  readonly #compared = new Map<string, string | null>();
  #isLookedUp = false;

  constructor(searchPath: SearchPath, brokerPid: number) {
    this.#searchPath = searchPath;
    this.#brokerPid = brokerPid;
  }

  /** Why this program is a launcher, or null. By any of its names, or as the file that a launcher's name has on the PATH, or as a copy of
   *  that; of a multi-call file, which is many programs, by name alone. */
  reasonFor(program: Program): string | null {
    for (const name of program.names) {
      const reason = typeof name === "string" ? reasonByName(name) : undefined;
      if (reason !== undefined) return reason;
    }
    if (program.multiCall !== null) return null;
    this.#lookUp();
    return this.#byKey.get(program.file.key)?.reason ?? this.#reasonOfOriginal(program.file);
  }

  #reasonOfOriginal({ key, size, fd, ctimeNs }: ExecFile): string | null {
    const originals = this.#bySize.get(size);
    if (originals === undefined) return null;
    const identity = `${key} ${size} ${ctimeNs}`;
    let reason = this.#compared.get(identity);
    if (reason === undefined) {
      const digest = digestQuietly(`/proc/${this.#brokerPid}/fd/${fd}`);
      // Of exactly that size and not to be read: taken for a copy.
      const isCopy = ({ path }: KnownLauncher): boolean => digest === null || digestQuietly(path) === digest;
      reason = originals.find(isCopy)?.reason ?? null;
      this.#compared.set(identity, reason);
    }
    return reason;
  }

  /** Only when an allow rule has matched: hundreds of lookups are not for the start of every session. */
  #lookUp(): void {
    if (this.#isLookedUp) return;
    this.#isLookedUp = true;
    this.#searchPath.expectMany();
    for (const [name, reason] of reasons) {
      // In every folder, so that a twin put first on the PATH does not hide the real one.
      for (const { key, path, size } of this.#searchPath.filesOf(name)) {
        if (this.#byKey.has(key)) continue;
        this.#byKey.set(key, { path, reason });
        this.#bySize.set(size, [...(this.#bySize.get(size) ?? []), { path, reason }]);
      }
    }
  }
}

function digestQuietly(path: string): string | null {
  try {
    return digestOfFileNow(path);
  } catch {
    return null;
  }
}

/** `python3.11`, `vim.tiny`, `bash-static` and `x86_64-linux-gnu-gcc-12` are python, vim, bash and gcc. */
function reasonByName(name: string): string | undefined {
  const native = name.replace(target, "").replace(targetBehind, "");
  // "perl5.36-x86_64-linux-gnu", "python3.11-dbg", ".node-wrapped"
  const plain = native.replace(/^\./, "").replace(variant, "");
  const forms = [name, native, plain].flatMap((form) => [form, form.replace(version, ""), form.split(".")[0] ?? form]);
  const known = forms.map((form) => reasons.get(form)).find((reason) => reason !== undefined);
  return known ?? families.find(([start]) => name.startsWith(start))?.[1];
}

const target = /^[a-z0-9_]+-linux-[a-z0-9]+-/;
const targetBehind = /-[a-z0-9_]+-linux-[a-z0-9]+$/;
const variant =
  /-(?:static|dbg|debug|nox|gtk\d*|lucid|multiarch|minimal|tiny|basic|full|real|wrapped|original|sysv|tcp)$/;
const version = /[-.]?v?\d[\d.]*$/;
