interface PictureProps {
  readonly address: string;
  readonly words: string;
  readonly there: boolean;
  readonly caption: string;
  /** What stands in its place where it is not there. */
  readonly blank?: string;
}

/** An image of the server with what it is, or a blank. */
export function Picture({ address, words, there, caption, blank = "not at hand" }: PictureProps) {
  return (
    <div class="picture">
      {there ? (
        <img src={address} alt={words} loading="lazy" width="96" height="96" />
      ) : (
        <span class="blank">{blank}</span>
      )}
      <span class="note">{caption}</span>
    </div>
  );
}
