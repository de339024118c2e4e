/** npm's prepublishOnly script: a clone is not what users install. */
import { fail } from "../build/package-root.mjs";

fail("publish the tarballs that `npm run pack:release` makes, not the clone");
