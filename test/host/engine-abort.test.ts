import { inHosts } from "./engine-room.js";

await inHosts("abort");
