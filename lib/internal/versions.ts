/** What belongs together, as constants: a bundle of this code has no package.json to ask. A test compares them with it. */

/** The version of this package and of its platform packages. */
export const ownVersion = "0.1.0";

/** The version of node-llama-cpp's packages, which hold llama.cpp's libraries. */
export const llamaPackagesVersion = "3.22.1";

/** The version of llama.cpp in them, against which the prebuilt addons are compiled. */
export const prebuiltLlamaVersion = "0.5.0";
