// Shows a live connection, and that it ends when the session does.
const live = document.getElementById('live');
const dot = document.getElementById('dot');

if (live && dot) {
	const events = new EventSource('/events');
	events.onopen = () => {
		live.textContent = 'Connected. Sign out elsewhere and watch this end.';
		dot.className = 'on';
	};
	events.onerror = () => {
		// A browser gives up for good when the answer is not a stream: the guard said no.
		const over = events.readyState === EventSource.CLOSED;
		live.textContent = over ? 'Your session has ended. Reload to sign in again.' : 'Reconnecting …';
		dot.className = over ? 'off' : '';
	};
	addEventListener('pagehide', () => events.close());
}
