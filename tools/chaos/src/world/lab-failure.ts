/** The fault lab itself could not do its work; no verdict on what it tests. */
export class LabFailure extends Error {
  override readonly name = "LabFailure";
}
