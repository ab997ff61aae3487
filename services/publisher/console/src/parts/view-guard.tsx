/** @jsxRuntime automatic */
/** @jsxImportSource preact */
/**
 * Catches what a view throws while it is drawn, so that header, navigation and the other views stay.
 *
 * Invariant: a fault is shown until another view is opened or the user asks again; it is never swallowed.
 */
import { Component, type ComponentChildren } from "preact";

interface Props {
  /** Which view; another one begins without the fault. */
  readonly view: string;
  readonly words: { readonly title: string; readonly text: string; readonly again: string };
  readonly children: ComponentChildren;
}

interface State {
  readonly fault: string | null;
  readonly view: string;
}

export class ViewGuard extends Component<Props, State> {
  override state: State = { fault: null, view: this.props.view };

  static override getDerivedStateFromProps(props: Props, state: State): State | null {
    return props.view === state.view ? null : { fault: null, view: props.view };
  }

  override componentDidCatch(error: unknown): void {
    // As if nobody had caught it: the stack belongs in the browser's log.
    reportError(error);
    this.setState({ fault: error instanceof Error ? error.message : String(error) });
  }

  override render() {
    const { fault } = this.state;
    const { words } = this.props;
    if (fault === null) return this.props.children;
    return (
      <section class="card" role="alert">
        <h1>{words.title}</h1>
        <p>{words.text}</p>
        <pre>{fault}</pre>
        <button type="button" onClick={() => this.setState({ fault: null })}>
          {words.again}
        </button>
      </section>
    );
  }
}
