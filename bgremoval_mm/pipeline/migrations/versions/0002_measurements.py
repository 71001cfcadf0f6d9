"""Measurements of masks, verdicts on them, and shifts of the mean."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        'measurements',
        sa.Column('id', sa.Integer(), primary_key=True),
        sa.Column('upload_id', sa.Integer(), sa.ForeignKey('uploads.id'), nullable=False),
        sa.Column('model', sa.Text(), nullable=False),
        sa.Column('cluster', sa.Text(), nullable=False),
        sa.Column('figures', sa.Text(), nullable=False),
        sa.Column('suspicion', sa.Float(53), nullable=False),
        sa.Column('reviewed', sa.Integer(), nullable=False),
        sa.Column('at', sa.Float(53), nullable=False),
        sa.Column('verdict', sa.String(16), nullable=False),
        sa.Column('iou', sa.Float(53), nullable=True),
        sa.Column('judged', sa.Float(53), nullable=False),
    )
    for name in ('upload_id', 'at', 'judged'):
        op.create_index(f'measurements_{name}', 'measurements', [name])
    op.create_table(
        'shifts',
        sa.Column('id', sa.Integer(), primary_key=True),
        sa.Column('cluster', sa.Text(), nullable=False),
        sa.Column('model', sa.Text(), nullable=False),
        sa.Column('period', sa.Integer(), nullable=False),
        sa.Column('since', sa.Integer(), nullable=False),
        sa.Column('before', sa.Float(53), nullable=False),
        sa.Column('after', sa.Float(53), nullable=False),
        sa.Column('p_value', sa.Float(53), nullable=False),
        sa.Column('found', sa.Float(53), nullable=False),
        sa.Column('sent', sa.Float(53), nullable=False),
        sa.Column('sending_until', sa.Float(53), nullable=False),
        sa.UniqueConstraint('cluster', 'model', 'period', name='shifts_cluster_model_period'),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table('shifts')
    op.drop_table('measurements')
