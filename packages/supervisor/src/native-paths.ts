/** Where the built C programs are. `../native` resolves alike from `src` and from `dist`. */
import { fileURLToPath } from "node:url";

export const nativeBuildFolder: string = fileURLToPath(new URL("../native/build", import.meta.url));
export const brokerPath: string = `${nativeBuildFolder}/sallyport-broker`;
