/** What a level leaves open, in plain sentences: said before the command runs, in the summary and by doctor. */
export function bubblewrapGaps(options: { abi: number; network: boolean }): string[] {
  const gaps: string[] = [];
  if (options.network && options.abi < 6)
    gaps.push(
      "abstract unix sockets of other programs can be reached, since --network shares them and this kernel's Landlock can't scope them",
    );
  return gaps;
}

export function landlockGaps(options: { abi: number; sockets: number; network: boolean }): string[] {
  const gaps = [
    "chmod, chown, utime and setxattr outside the writable folders succeed where the user may",
    "in a writable folder .git, .sallyport, .codex, .claude and .vscode can be written",
    "other processes are visible",
    "that every process ends with the command is not sure without a control group",
    "files that are made next to hidden paths while the command runs can't be read, and POSIX shared memory is not available",
  ];
  if (options.sockets > 0) gaps.push("with --socket, every unix socket that the user may use can be reached");
  else gaps.push("the command can't use unix sockets of its own");
  if (!options.network) gaps.push("the command can't use servers of its own on the loopback");
  if (options.abi < 6) gaps.push("signals to other processes of the user are not stopped by this kernel's Landlock");
  return gaps;
}
