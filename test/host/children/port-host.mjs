// A thread that runs a host at the port that it is given.
import { workerData } from "node:worker_threads";
import { serveHost } from "../../../dist/host/index.js";

serveHost(workerData.port);
