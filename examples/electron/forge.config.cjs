// The same for electron-forge: native code and the program of the host lie outside the archive.
module.exports = {
  packagerConfig: { asar: { unpack: "**/node_modules/{overfill,@overfill,@node-llama-cpp}/**/*" } },
};
