/** What a download can fail with, told by a code as the package's own errors are. */

export type DownloadCode =
  /** No connection, an answer that makes no sense, or one that the server keeps failing to give. */
  | "ERR_DOWNLOAD_FAILED"
  /** There is no such repository, revision or file. */
  | "ERR_DOWNLOAD_NOT_FOUND"
  /** It takes a token, or terms that have to be accepted first. */
  | "ERR_DOWNLOAD_REFUSED"
  /** What came is not what was promised: its checksum or its length differs. */
  | "ERR_DOWNLOAD_CORRUPT"
  /** The disk has too little room. */
  | "ERR_DOWNLOAD_NO_SPACE";

export class DownloadFault extends Error {
  override readonly name = "DownloadFault";

  constructor(
    readonly code: DownloadCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
