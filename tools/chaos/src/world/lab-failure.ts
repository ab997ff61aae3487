/** The fault lab itself could not do its work. This is no verdict on the tested system. */
export class LabFailure extends Error {
  override readonly name = "LabFailure";
}
