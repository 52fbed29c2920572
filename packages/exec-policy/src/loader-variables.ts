/** These make the dynamic loader or libc load code into the escalated program itself, so no rule can let them through. */
export function isLoaderVariable(name: string): boolean {
  return name.startsWith("LD_") || name === "GLIBC_TUNABLES" || name === "GCONV_PATH" || name === "LOCPATH";
}
